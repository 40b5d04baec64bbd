// A circle, and how it is measured.
'use strict';

class Circle {
  constructor(radius) {
    this.radius = radius;
  }

  area() {
    return Math.PI * this.radius ** 2;
  }
}

module.exports = { Circle };
