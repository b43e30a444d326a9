"""What the tests stand on: the real local stack, fronts that meddle with it, and stand-ins for the external APIs."""
