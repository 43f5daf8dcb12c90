"""Real servers on 127.0.0.1 for the tests with the marker `server`: each is started by them and ended by its id."""
