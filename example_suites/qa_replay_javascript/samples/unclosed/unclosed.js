'use strict';

function never(ends) {
  return [ends];
