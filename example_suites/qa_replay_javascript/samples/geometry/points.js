/* Points are pairs of numbers: { x, y }. */
'use strict';

const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

function closest(point, others) {
  let found = null;
  for (const other of others) {
    if (found === null || distance(point, other) < distance(point, found)) {
      found = other;
    }
  }
  return found;
}

module.exports = { closest, distance };
