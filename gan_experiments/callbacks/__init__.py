"""What happens during training besides updates."""
