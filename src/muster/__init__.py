"""Muster: controlled regional failover drills with a verdict that fails closed."""
