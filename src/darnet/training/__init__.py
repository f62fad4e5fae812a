"""How networks are trained: recipes, losses, optimisers, the one trainer, checkpoints."""
