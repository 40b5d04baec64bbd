'use strict';

/** Faults that QA_FAULT seeds, by the names that ../qa_replay has for them. */

const ATTRIBUTES = {
  'dropped attribute': ({ 'parser.file_count': _, ...rest }) => rest,
  'wrong type': (found) => ({ ...found, 'parser.file_count': String(found['parser.file_count']) }),
  'PII attribute': (found) => ({ ...found, 'user.email': 'jane.doe@example.net' }),
};
const NO_FLUSH = 'no flush at exit';
const KNOWN = [NO_FLUSH, ...Object.keys(ATTRIBUTES)];

const fault = process.env.QA_FAULT || '';
if (fault && !KNOWN.includes(fault)) {
  process.stderr.write(`QA_FAULT: ${fault} is none of: ${KNOWN.join(', ')}\n`);
  process.exit(2);
}

/** Return the attributes of a span as the chosen fault leaves them. */
const attributes = ATTRIBUTES[fault] || ((found) => found);

module.exports = { attributes, flushes: fault !== NO_FLUSH };
