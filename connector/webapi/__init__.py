"""What clients of HTTP services that carry mail share: answers, faults, limits and connections."""
