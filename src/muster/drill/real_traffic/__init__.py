"""Real traffic judged without a drill: promotions and peak hours."""
