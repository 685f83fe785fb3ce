"""The triggers that stop a drill, and hold a promotion, on samples as they come. Pure."""
