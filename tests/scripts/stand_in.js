"use strict";
// Runs a script of WinDbg's JavaScript provider with a stand-in for its `host` object.
//
// usage: node stand_in.js SCRIPT REQUEST.json
//
// REQUEST: {"answers": {command: [line, ...]}, "calls": [[function, argument, ...], ...]}; a function is invokeScript or
// the name of an alias. Prints {"returned", "aliases", "executed", "shown", "files", "errors"} as JSON.
// The shapes are those of Microsoft's "JavaScript debugger scripting" and "native debugger objects" pages.

const fs = require("fs");
const vm = require("vm");

const request = JSON.parse(fs.readFileSync(process.argv[3], "utf8"));
const result = { returned: [], aliases: [], executed: [], shown: "", files: {}, errors: [] };

class ApiVersionSupport {
    constructor(major, minor) {
        Object.assign(this, { major, minor });
    }
}

class FunctionAlias {
    constructor(run, name) {
        if (typeof run !== "function" || typeof name !== "string") {
            throw new TypeError("host.functionAlias takes a function and a name");
        }
        Object.assign(this, { run, name });
    }
}

class File {
    constructor(path) {
        Object.assign(this, { path, open: true });
        result.files[path] = "";
    }

    Close() {
        this.open = false;
    }
}

class TextWriter {
    constructor(file, encoding) {
        if (!["Ascii", "Utf16", "Utf8"].includes(encoding)) {
            throw new TypeError(`CreateTextWriter knows no encoding ${encoding}`);
        }
        this.file = file;
    }

    WriteLine(text) {
        if (!this.file.open) {
            throw new Error("the file is closed");
        }
        result.files[this.file.path] += `${text}\n`;
    }
}

const host = {
    apiVersionSupport: ApiVersionSupport,
    functionAlias: FunctionAlias,
    diagnostics: {
        debugLog(...texts) {
            result.shown += texts.join("");
        },
    },
    namespace: {
        Debugger: {
            Utility: {
                Control: {
                    // returns an iterable that is no array, as the debugger does
                    *ExecuteCommand(command) {
                        if (typeof command !== "string") {
                            throw new TypeError("ExecuteCommand takes a string");
                        }
                        result.executed.push(command);
                        yield* request.answers[command] ?? [];
                    },
                },
                FileSystem: {
                    CreateFile(path, disposition) {
                        if (!["CreateAlways", "CreateNew", "OpenAlways", "OpenExisting"].includes(disposition)) {
                            throw new TypeError(`CreateFile knows no disposition ${disposition}`);
                        }
                        return new File(path);
                    },
                    CreateTextWriter: (file, encoding) => new TextWriter(file, encoding),
                },
            },
        },
    },
};

// no other globals: the provider has neither console nor require
const script = vm.createContext({ host });
vm.runInContext(fs.readFileSync(process.argv[2], "utf8"), script, { filename: process.argv[2] });
const registered = vm.runInContext("initializeScript()", script);
const functions = {};
for (const object of registered) {
    if (object instanceof FunctionAlias) {
        functions[object.name] = object.run;
        result.aliases.push(object.name);
    } else if (object instanceof ApiVersionSupport) {
        result.returned.push([object.major, object.minor]);
    } else {
        throw new TypeError("initializeScript returned an object that the provider does not know");
    }
}
for (const [name, ...given] of request.calls) {
    try {
        (functions[name] ?? vm.runInContext(name, script))(...given);
    } catch (error) {
        result.errors.push(error.message);
    }
}
console.log(JSON.stringify(result));
