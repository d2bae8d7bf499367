/**
 * A channel into a private RabbitMQ node, for what AMQP cannot ask: the node evaluates expressions of Erlang.
 *
 * `rabbitmqctl` starts a virtual machine for every call, which costs about a second of CPU; this costs about a
 * millisecond. The node listens on a Unix socket in its own folder, which only its user (and root) can reach.
 */
import net from 'node:net'

/**
 * What the node runs beside the broker: takes connections on the socket that the environment names, and answers each
 * packet (4 bytes of length, then an expression) with `+` and its value, a binary or printed, or with `-` and the error.
 */
export const controlProgram = `
spawn(fun() ->
  Path = os:getenv("ZAGFLOW_CONTROL_SOCKET"),
  file:delete(Path),
  {ok, Listener} = gen_tcp:listen(0, [{ifaddr, {local, Path}}, binary, {packet, 4}, {active, false}]),
  Evaluate = fun(Text) ->
    try
      {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Text)),
      {ok, Expressions} = erl_parse:parse_exprs(Tokens),
      {value, Value, _} = erl_eval:exprs(Expressions, []),
      case is_binary(Value) of
        true -> ["+", Value];
        false -> ["+", unicode:characters_to_binary(io_lib:format("~0tp", [Value]))]
      end
    catch Class:Reason:Stack ->
      ["-", unicode:characters_to_binary(io_lib:format("~0tp:~0tp ~0tP", [Class, Reason, Stack, 20]))]
    end
  end,
  Serve = fun Serve(Socket) ->
    case gen_tcp:recv(Socket, 0) of
      {ok, Text} -> gen_tcp:send(Socket, Evaluate(Text)), Serve(Socket);
      _ -> gen_tcp:close(Socket)
    end
  end,
  Accept = fun Accept() ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Pid = spawn(fun() -> receive go -> Serve(Socket) end end),
    gen_tcp:controlling_process(Socket, Pid),
    Pid ! go,
    Accept()
  end,
  Accept()
end).`

/**
 * Lets the node that listens on `socketPath` evaluate expressions of Erlang (the last one ends with a full stop).
 * @returns the value of the last: a binary as it is, everything else as Erlang prints it.
 * @throws Error with Erlang's error, or where the node does not answer within `withinMs` (default 30 s).
 */
export function evaluate(
  socketPath: string,
  expressions: string,
  { withinMs = 30_000 }: { readonly withinMs?: number } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(socketPath)
    let reply = Buffer.alloc(0)
    const fail = (why: string) => {
      socket.destroy()
      reject(new Error(`RabbitMQ's node ${why}, asked for: ${expressions}`))
    }
    socket.setTimeout(withinMs, () => fail(`did not answer within ${withinMs} ms`))
    socket.on('error', (error) => fail(`cannot be asked (${error.message})`))
    socket.on('close', () => fail('went away before it answered'))
    socket.on('data', (chunk) => {
      reply = Buffer.concat([reply, chunk])
      if (reply.length < 4 || reply.length < 4 + reply.readUInt32BE(0)) return
      const answer = reply.toString('utf8', 4)
      if (answer.startsWith('+')) resolve(answer.slice(1))
      else fail(`failed with ${answer.slice(1)}`)
      socket.destroy()
    })
    const text = Buffer.from(expressions)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(text.length)
    socket.write(Buffer.concat([length, text]))
  })
}

/** Text as a binary of Erlang, whatever its characters. */
export function erlangBinary(text: string): string {
  return `<<${[...Buffer.from(text)].join(',')}>>`
}
