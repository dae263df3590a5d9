"""The files of Formats/vectors give what their list says."""
import unittest

import vectors


class Vectors(unittest.TestCase):
    def test_all(self):
        self.assertGreaterEqual(len(vectors.entries()), 9)
        self.assertEqual(vectors.check(), [])


if __name__ == "__main__":
    unittest.main()
