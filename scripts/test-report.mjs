/**
 * The report of a test run: a line for each file, every failure in full at the end, every skipped test with its
 * reason, and the counts on the closing lines. Tests that pass are not named.
 */

/** Collects the results of files as they come, and prints. */
export class TestReport {
  #failures = []
  #outputs = []
  #skipped = new Map()
  #counts = { tests: 0, pass: 0, fail: 0, skipped: 0, todo: 0 }
  #startedAt = performance.now()

  /** @param name the file as people know it; @param result what `runTestFile` returned */
  add(name, { tests, complaint, output, durationMs }) {
    const before = this.#counts.fail
    for (const test of tests) this.#count(name, test)
    // What is wrong with the file itself counts as one more test, that failed.
    if (complaint)
      this.#count(name, { name: 'the file as a whole', outcome: 'fail', error: complaint })
    const failed = this.#counts.fail > before
    if (failed && output.trim() !== '') this.#outputs.push({ name, output: output.trimEnd() })
    console.log(`${failed ? '✖' : '✔'} ${name}  ${plural(tests.length)}  ${seconds(durationMs)}`)
  }

  #count(file, test) {
    this.#counts.tests++
    this.#counts[test.outcome]++
    if (test.outcome === 'fail') this.#failures.push({ file, ...test })
    if (test.outcome === 'skipped') {
      const reason = test.reason ?? `${file}: ${test.name}`
      this.#skipped.set(reason, (this.#skipped.get(reason) ?? 0) + 1)
    }
  }

  /** Prints what remains to be said. @returns whether something ran and nothing failed */
  close() {
    const counts = this.#counts
    for (const { file, name, line, error } of this.#failures) {
      console.log(`\n✖ ${name}\n  ${file}${line ? `:${line}` : ''}\n${indent(error)}`)
    }
    for (const { name, output } of this.#outputs) {
      console.log(`\n--- printed by ${name} (its end)\n${indent(output)}`)
    }
    if (this.#skipped.size > 0) console.log('\nSkipped:')
    for (const [reason, count] of this.#skipped) console.log(`  ${plural(count)}: ${reason}`)
    console.log(`\n# tests ${counts.tests}`)
    for (const name of ['pass', 'fail', 'skipped', 'todo']) console.log(`# ${name} ${counts[name]}`)
    console.log(`# duration ${seconds(performance.now() - this.#startedAt)}`)
    if (counts.tests === 0) console.log('No test ran.')
    return counts.tests > 0 && counts.fail === 0
  }
}

function indent(text) {
  return text.replaceAll(/^/gm, '    ')
}

function seconds(durationMs) {
  return `${(durationMs / 1_000).toFixed(1)} s`
}

function plural(count) {
  return count === 1 ? '1 test' : `${count} tests`
}
