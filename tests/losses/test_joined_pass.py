"""Real and fake images judged in one pass of the discriminator, or in two."""

import pytest
import torch
from steps import R1, loss_of
from torch import Tensor, nn
from torch.nn.functional import softplus

from gan_experiments.losses.non_saturating import NonSaturating
from gan_experiments.losses.objective import Objective
from gan_experiments.models.report_c import DenseDiscriminator
from gan_experiments.types import Batch, DiscriminatorOutput

REGULAR = frozenset({"non_saturating"})


def batches() -> tuple[Batch, Batch]:
    labels = torch.zeros(16, dtype=torch.int64)
    return Batch(torch.rand(16, 1, 28, 28), labels), Batch(torch.rand(16, 1, 28, 28) - 1, labels)


def loss(network: nn.Module, joined: bool) -> Tensor:
    objective = Objective({"non_saturating": NonSaturating()})
    return loss_of("discriminator", objective, network, *batches(), REGULAR, joined=joined)["loss"]


def trained_loss(joined: bool) -> float:
    torch.manual_seed(0)
    network = DenseDiscriminator()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(20):
        optimizer.zero_grad()
        value = loss(network, joined)
        torch.autograd.backward(value)
        optimizer.step()
    return value.item()


def test_report_cs_discriminator_can_only_tell_images_apart_in_one_pass() -> None:
    """Its score is linear in what a batch norm gives, whose mean over a pass is fixed: by convexity the loss of two
    passes is at least 2 log 2."""
    assert trained_loss(joined=False) >= 2 * torch.tensor(2.0).log().item() - 1e-5
    assert trained_loss(joined=True) < 0.3


@pytest.mark.parametrize("joined", [False, True])
def test_statistics_move_once_for_each_pass(joined: bool) -> None:
    network = DenseDiscriminator()
    loss(network, joined)

    counts = [value.item() for name, value in network.named_buffers() if name.endswith("num_batches_tracked")]
    assert counts == [1 if joined else 2] * 3


def test_without_batch_norm_both_give_the_same_loss_and_gradient_penalty() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.Tanh(), nn.Linear(8, 1))

    def network(images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(layers(images).flatten())

    objective = Objective({"non_saturating": NonSaturating(), "r1": R1()})
    pair = batches()
    separate, joined = (
        loss_of("discriminator", objective, network, *pair, REGULAR | {"r1"}, joined=joined) for joined in (False, True)
    )

    assert separate["r1"] > 0
    torch.testing.assert_close(separate, joined)


def test_the_generators_step_reads_the_scores_that_both_have_together() -> None:
    torch.manual_seed(0)
    network = DenseDiscriminator()
    objective = Objective({"non_saturating": NonSaturating()})
    real, fake = batches()
    alone, joined = (
        loss_of("generator", objective, network, real, fake, REGULAR, joined=joined)["loss"] for joined in (False, True)
    )
    scores = network(torch.cat([real.images, fake.images]), torch.cat([real.labels, fake.labels])).scores[16:]

    torch.testing.assert_close(joined, softplus(-scores).mean())
    assert (joined - alone).abs() > 1e-4


def test_real_images_come_first_whatever_is_read_first() -> None:
    passes = []

    def network(images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        passes.append(images)
        return DiscriminatorOutput(images.mean((1, 2, 3)))

    objective = Objective({"non_saturating": NonSaturating()})
    real, fake = batches()
    loss_of("discriminator", objective, network, real, fake, joined=True)
    loss_of("generator", objective, network, real, fake, joined=True)
    assert len(passes) == 2
    for images in passes:
        torch.testing.assert_close(images, torch.cat([real.images, fake.images]))
