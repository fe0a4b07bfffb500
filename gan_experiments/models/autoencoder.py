"""A convolutional autoencoder of one to three layers on each side."""

from torch import Tensor, nn

from gan_experiments.models.layers import batch_normalized
from gan_experiments.types import UserError

MOST_LAYERS = 3


class AutoencoderNetwork(nn.Module):
    """Images N×channels×S×S in [0, 1] to a code and back.

    Each layer of the encoder is a 3×3 convolution that halves the side, rounding up (28 → 14 → 7 → 4); the decoder
    undoes it by as many transposed convolutions. Between two layers stand batch normalisation and a ReLU, at the end a
    sigmoid. The code has a quarter of the places and four times the maps for each further layer. So however many
    layers there are, it holds about as many numbers: `code_channels` for every 2×2 pixels.

    Args:
        image_size: pixels of a side, at least 2 to the power of `num_layers`.
        channels: channels of an image.
        num_layers: in the encoder, and as many in the decoder: 1, 2 or 3.
        width: maps after the first layer where there are more; doubled by each further one before the code.
        code_channels: maps of the code of one layer.

    Raises:
        UserError: there are more or fewer layers, or the images are too small for them.
    """

    def __init__(self, image_size: int, channels: int, num_layers: int, width: int, code_channels: int) -> None:
        super().__init__()
        if not 1 <= num_layers <= MOST_LAYERS:
            raise UserError(f"an autoencoder has 1 to {MOST_LAYERS} layers on each side, not {num_layers}")
        if image_size < 2**num_layers:
            raise UserError(f"images of {image_size}×{image_size} cannot be halved {num_layers} times")
        hidden = [width * 2**depth for depth in range(num_layers - 1)]
        maps = [channels, *hidden, code_channels * 4 ** (num_layers - 1)]
        sides = [image_size]
        for _ in range(num_layers):
            sides.append((sides[-1] + 1) // 2)
        self.encoder, self.decoder = nn.Sequential(), nn.Sequential()
        for depth in range(num_layers):
            down = nn.Conv2d(maps[depth], maps[depth + 1], 3, stride=2, padding=1)
            last = depth == num_layers - 1
            self.encoder.append(down if last else batch_normalized(down, nn.ReLU(inplace=True)))
        for depth in reversed(range(num_layers)):
            odd = sides[depth] % 2  # a side of 2n comes from n with one row more than a side of 2n-1
            up = nn.ConvTranspose2d(maps[depth + 1], maps[depth], 3, stride=2, padding=1, output_padding=1 - odd)
            self.decoder.append(
                nn.Sequential(up, nn.Sigmoid()) if depth == 0 else batch_normalized(up, nn.ReLU(inplace=True))
            )

    def forward(self, images: Tensor) -> Tensor:
        """Return the reconstructions, in [0, 1]."""
        reconstructed: Tensor = self.decoder(self.encoder(images))
        return reconstructed
