#!/usr/bin/env node
'use strict';

/** `node parser.js parse PATH...` prints what JavaScript sources declare, one JSON object a line. */

const fs = require('node:fs');
const path = require('node:path');
const { SpanStatusCode, context, trace } = require('@opentelemetry/api');
const faults = require('./faults');
const { version } = require('./package.json');
const { ParseError, parse, walk } = require('./scanner');
const tracing = require('./tracing');

const tracer = trace.getTracer('parser', version);

/** Return the sources at some paths, folders without those below them, in the order of their names. */
function sources(paths) {
  return paths.flatMap((one) => {
    if (!fs.statSync(one).isDirectory()) return [one];
    const names = fs.readdirSync(one).filter((name) => /\.[cm]?js$/.test(name));
    return names.sort().map((name) => path.join(one, name));
  });
}

/** Run a function in a span, which ends with it and takes over what it throws. */
function spanned(name, work) {
  return tracer.startActiveSpan(name, (span) => {
    try {
      return work(span);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Print what sources declare; throws ParseError for the first that cannot be parsed, as its span tells too. */
function parseAll(files) {
  return spanned('parser.parse', (span) => {
    span.setAttributes(
      faults.attributes({
        'parser.language': 'javascript',
        'parser.file_count': files.length,
        'parser.version': version,
      }),
    );
    try {
      const found = spanned('ast.walk', () => files.flatMap((file) => declarations(file)));
      const functions = found.filter(({ type }) => type !== 'class').length;
      span.setAttribute('parser.functions_per_file', functions / files.length);
      span.addEvent('parsed', { 'parser.functions': functions });
      spanned('emit.batch', () => found.forEach((one) => process.stdout.write(`${JSON.stringify(one)}\n`)));
    } catch (error) {
      if (error instanceof ParseError) span.setAttribute('parser.error_kind', error.kind);
      // By hand, since recordException() adds a stack trace with the paths of the machine.
      span.addEvent('exception', { 'exception.type': error.name, 'exception.message': error.message });
      throw error;
    }
  });
}

function declarations(file) {
  try {
    const nodes = [...walk(parse(fs.readFileSync(file)))].slice(1);
    return nodes.map(({ line, type, name }) => ({ file, line, type, name }));
  } catch (error) {
    if (error instanceof ParseError) error.message = `${file}:${error.line}: ${error.message}`;
    throw error;
  }
}

async function main([command, ...paths]) {
  if (command !== 'parse' || !paths.length) {
    process.stderr.write('usage: parser.js parse PATH...\n');
    return 2;
  }
  const provider = tracing.start('parser', version);
  try {
    context.with(tracing.caller(), () => spanned('cli parse', () => parseAll(sources(paths))));
    return 0;
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    return 1;
  } finally {
    if (faults.flushes) await flushed(provider);
  }
}

/** Export what is still waiting; a parser does not fail because nobody wants to know. */
async function flushed(provider) {
  try {
    await provider.shutdown();
  } catch (error) {
    process.stderr.write(`spans were not exported: ${error.message}\n`);
  }
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  },
);
