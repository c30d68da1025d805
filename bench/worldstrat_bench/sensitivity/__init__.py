"""How far the order of models depends on choices of the protocol that could have been made otherwise."""
