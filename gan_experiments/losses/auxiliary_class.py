"""The auxiliary class loss of AC-GAN."""

from typing import Literal

import torch
from pydantic import FiniteFloat, PositiveInt
from torch import Tensor
from torch.nn.functional import cross_entropy

from gan_experiments.losses.objective import LossTerm
from gan_experiments.losses.step import Step


class AuxiliaryClass(LossTerm):
    """Cross-entropy CE of D's class logits, which both networks minimise.

    With k(x) the class logits of an image and y, ỹ the labels of real x and fake x̃: D minimises
    real_weight·E[CE(k(x), y)] + fake_weight·E[CE(k(x̃), ỹ)]; G minimises generator_weight·E[CE(k(x̃), ỹ)].
    Odena et al. 2017, "Conditional Image Synthesis with Auxiliary Classifier GANs", equation 3.
    The label ỹ is the one that the generator was given. Or it is drawn at each step, uniformly from all K classes of
    the data set, also where `regime=classes` keeps fewer: then D is asked for the class of real images, and both for
    no class at all of fake ones, which needs no conditional generator.
    """

    num_classes: PositiveInt  # K
    fake_labels: Literal["given", "random"] = "given"  # ỹ
    real_weight: FiniteFloat = 1.0
    fake_weight: FiniteFloat = 1.0
    generator_weight: FiniteFloat = 1.0

    needs = ("class_head",)

    def discriminator_loss(self, step: Step) -> Tensor:
        real_loss = cross_entropy(step.real.class_logits, step.real.labels)
        return self.real_weight * real_loss + self.fake_weight * self._fake_loss(step)

    def generator_loss(self, step: Step) -> Tensor:
        return self.generator_weight * self._fake_loss(step)

    def _fake_loss(self, step: Step) -> Tensor:
        labels = step.fake.labels
        if self.fake_labels == "random":
            labels = torch.randint(self.num_classes, labels.shape, device=labels.device)
        return cross_entropy(step.fake.class_logits, labels)
