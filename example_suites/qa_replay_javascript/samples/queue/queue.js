'use strict';

const waiting = [];

async function* drain(limit = { items: 10 }) {
  for (let n = 0; n < limit.items && waiting.length; n += 1) {
    yield waiting.shift();
  }
}

exports.drain = drain;
exports.waiting = waiting;
