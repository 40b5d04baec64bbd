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

function parseAll(files) {
  return spanned('parser.parse', (span) => {
    const found = {
      'parser.language': 'javascript',
      'parser.file_count': files.length,
      'parser.version': version,
    };
    try {
      const trees = files.map((file) => read(file));
      const nodes = spanned('ast.walk', (walking) => {
        const below = trees.flatMap(({ file, tree }) => [...walk(tree)].slice(1).map((node) => [file, node]));
        walking.setAttribute('ast.node_count', below.length);
        return below;
      });
      const functions = nodes.filter(([, { type }]) => type !== 'class').length;
      found['parser.ratio'] = functions / files.length;
      spanned('emit.batch', (emitting) => {
        emitting.setAttribute('batch.size', nodes.length);
        for (const [file, { line, type, name }] of nodes) {
          process.stdout.write(`${JSON.stringify({ file, line, type, name })}\n`);
        }
      });
    } catch (error) {
      if (error instanceof ParseError) found['parser.error_kind'] = error.kind;
      throw error;
    } finally {
      span.setAttributes(faults.attributes(found));
    }
  });
}

function read(file) {
  try {
    return { file, tree: parse(fs.readFileSync(file)) };
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
