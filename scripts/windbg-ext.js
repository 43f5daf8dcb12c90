"use strict";
// .scriptload of this file makes the commands of windbg-ext real extension commands: @NAMES@.
// Their arguments are expressions, so text goes in quotes and a backslash is written twice: !minify "C:\\out\\small.dmp", "/o"

const RUN = @RUN_JS@;
const COMMANDS = @COMMANDS_JS@;

function initializeScript() {
    const version = new host.apiVersionSupport(1, 7);
    return [version].concat(COMMANDS.map(name => new host.functionAlias(bang(name), name)));
}

// Return the function of a command. Like the aliases, it runs a script file with arguments.
function bang(name) {
    return (...words) => {
        const line = `$$>a<"${RUN}" ` + [name, ...words.map(quoted)].join(" ");
        for (const text of host.namespace.Debugger.Utility.Control.ExecuteCommand(line)) {
            host.diagnostics.debugLog(`${text}\n`);
        }
    };
}

function quoted(word) {
    const text = String(word);
    if (/["\r\n]/.test(text)) {
        throw new Error(`a quote or a line break cannot be passed on: ${text}`);
    }
    return `"${text}"`;
}
