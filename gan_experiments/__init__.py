"""GAN experiments, one short yaml each: Hydra composes dataset, model and loss; Lightning alternates the updates."""
