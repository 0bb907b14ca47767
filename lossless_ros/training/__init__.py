"""Behavior cloning of a task into a bundle: adapters and head on a frozen backbone."""
