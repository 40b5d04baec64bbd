'use strict';

/** Faults that PARSER_FAULT seeds, so that the suite can be seen to catch each of them. */

const ATTRIBUTES = {
  dropped: ({ 'parser.version': _, ...rest }) => rest,
  'wrong-type': (found) => ({ ...found, 'parser.file_count': String(found['parser.file_count']) }),
  pii: (found) => ({ ...found, 'user.email': 'somebody@example.net' }),
};
const KNOWN = ['', 'no-flush', ...Object.keys(ATTRIBUTES)];

const fault = process.env.PARSER_FAULT || '';
if (!KNOWN.includes(fault)) {
  process.stderr.write(`PARSER_FAULT: ${fault} is none of ${KNOWN.filter(Boolean).join(', ')}\n`);
  process.exit(2);
}

/** Return the attributes of a span as the chosen fault leaves them. */
const attributes = ATTRIBUTES[fault] || ((found) => found);

module.exports = { attributes, flushes: fault !== 'no-flush' };
