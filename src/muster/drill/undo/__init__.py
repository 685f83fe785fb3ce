"""How everything comes back: the undo logs, their copies off the machine, the restore."""
