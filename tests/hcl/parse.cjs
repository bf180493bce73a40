// Parses HCL files as today's Packer does, and prints the errors. Installed by tests/lint.sh.
// Usage: node parse.cjs FILE...
const { readFileSync } = require("fs");
const { parse } = require("@cdktf/hcl2json");

(async () => {
  for (const file of process.argv.slice(2)) {
    try {
      await parse(file, readFileSync(file, "utf8"));
    } catch (error) {
      console.error(error.message);
      process.exitCode = 1;
    }
  }
})();
