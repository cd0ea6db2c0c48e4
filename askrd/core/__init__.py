"""The core: decides what every frame causes. Pure and synchronous; time and ids are arguments."""
