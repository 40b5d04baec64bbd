const fs = require("fs");

/** Reads a file of JSON lines. */
function read(path) {
  return fs.readFileSync(path, "utf8").split("\n").filter(Boolean).map(JSON.parse);
}

const names = (entries) => entries.map((entry) => entry.name);
