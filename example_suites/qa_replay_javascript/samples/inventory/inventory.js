'use strict';

const total = (items) => items.reduce((sum, item) => sum + item.price / item.count, 0);

module.exports = { total };
