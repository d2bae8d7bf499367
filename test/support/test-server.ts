/** A server that was started by this process and lives until `stop()`, or until this process ends. */
export interface RunningServer {
  /** Where clients reach it. */
  readonly url: string
  /** The server's own process. */
  readonly pid: number
  /** Environment variables beside the URL that tests in other processes need to use it. */
  readonly environment?: Readonly<Record<string, string>>
  /** Ends the server and removes what it kept; a second call does nothing. */
  stop(): Promise<void>
}

/** Something that tests need and that may have to be installed. */
export interface TestTool {
  /** Its name as people say it: `PostgreSQL`. */
  readonly name: string
  /** Environment variable that says where it is, looked at before `PATH`: a server's folder of binaries, a program. */
  readonly binariesVariable: string
  /** Debian's packages that bring it, for a machine that lacks it. */
  readonly debianPackages: readonly string[]
  /** Where it is (a server: the folder of its binaries), or undefined where there is none. */
  find(): string | undefined
}

/** One row of the table of servers. */
export interface TestServer extends TestTool {
  /** Environment variable with the URL of a server that runs already; then none is started. */
  readonly urlVariable: string
  /** Starts a private instance on a free port of the loopback interface. */
  start(): Promise<RunningServer>
}

/** What to say where a server is neither found nor given by its URL. */
export function missingServer(server: TestServer): string {
  return (
    `${server.name}: not found. Install it (Debian: apt-get install ${server.debianPackages.join(' ')}), ` +
    `or set ${server.urlVariable} to the URL of one that runs, ` +
    `or ${server.binariesVariable} to the folder of its binaries.`
  )
}

/** What to say where a tool is not found. */
export function missingTool(tool: TestTool): string {
  return (
    `${tool.name}: not found. Install it (Debian: apt-get install ${tool.debianPackages.join(' ')}), ` +
    `or set ${tool.binariesVariable} to its path.`
  )
}
