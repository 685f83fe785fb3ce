"""Before a drill: what it is asked to be, what it will do, and whether it may."""
