"""Training: one shared trainer that composes any architecture with any objective."""
