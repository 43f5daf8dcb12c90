"use strict";
// .scriptrun of this file examines the open dump: which kind it is, and whether the paging file was large enough. It also
// makes a small dump beside it. The answers are shown, and saved in a report file beside the dump; what the dump is, also as
// an HTML report with pictures.

const RUN = @RUN_JS@;
const COMMANDS = @TRIAGE_JS@;

function initializeScript() {
    return [new host.apiVersionSupport(1, 7)];
}

function invokeScript() {
    const report = [];
    for (const name of COMMANDS) {
        report.push(`=== !${name}`, ...execute(`$$>a<"${RUN}" ${name}`), "");
    }
    report.forEach(show);
    const dump = openDump();
    if (dump === null) {
        show("There is no dump file, so no report file is written.");
        return;
    }
    const path = `${dump.replace(/\.[^.\\]*$/, "")}-triage.txt`;
    write(path, report);
    show(`Report: ${path}`);
    const told = execute(`$$>a<"${RUN}" ${COMMANDS[0]} /html`).filter(text => text.trim() !== "");
    show(told.find(text => text.startsWith("HTML report")) || `No HTML report: ${told.pop()}`);
}

function execute(line) {
    return Array.from(host.namespace.Debugger.Utility.Control.ExecuteCommand(line));
}

function show(text) {
    host.diagnostics.debugLog(`${text}\n`);
}

// "||" lists the systems, the current one behind a dot: ".  0 64-bit Kernel bitmap dump: C:\MEMORY.DMP"
function openDump() {
    for (const text of execute("||")) {
        const match = /^\.[ \d]+.*? dump: (.+?)\s*$/.exec(text);
        if (match) {
            return match[1];
        }
    }
    return null;
}

function write(path, lines) {
    const file = host.namespace.Debugger.Utility.FileSystem.CreateFile(path, "CreateAlways");
    try {
        const writer = host.namespace.Debugger.Utility.FileSystem.CreateTextWriter(file, "Utf8");
        lines.forEach(text => writer.WriteLine(text));
    } finally {
        file.Close();
    }
}
