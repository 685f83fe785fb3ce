"""How changes are restored: the undo logs, their copies off the machine, the restore."""
