'use strict';

// Brackets in text are no brackets: ( [ {
module.exports = {
  name: `queue-${process.env.REGION || `${'local'}-1`}`,
  pattern: /[({]\/[\]"'`]/,
  quote: "it's a \" { quote",
};
