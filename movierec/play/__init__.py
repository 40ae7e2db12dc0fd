"""Panels to play with: widgets that are only a view on functions which work without them."""
