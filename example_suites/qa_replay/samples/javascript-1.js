// Adds and multiplies.
const add = (a, b) => a + b;
function multiply(a, b) {
  return a * b;
}
module.exports = { add, multiply };
