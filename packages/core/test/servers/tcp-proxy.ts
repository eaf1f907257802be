import { once } from 'node:events'
import { type Server, type Socket, connect, createServer } from 'node:net'
import { freePort } from './free-port.ts'
import { Flow, type Rules } from './tcp-flow.ts'

export type Direction = 'to server' | 'to client'
const directions = ['to server', 'to client'] as const

const pass = (): Rules => ({ delayMs: 0, isHeld: false, isHalved: false })
const hold: Readonly<Rules> = { delayMs: 0, isHeld: true, isHalved: false }

/**
 * Listens at a port of its own, and passes on to a server what comes there, until it is told to do worse. Faults add up; `heal` ends them.
 *
 * @param target - the URL of the server, with its port; of any scheme.
 * @example
 * await using proxy = await tcpProxy('postgres://postgres@127.0.0.1:5432/postgres')
 * const client = new Client(proxy.url)
 * proxy.blackhole('to client')
 */
export async function tcpProxy(target: string): Promise<TcpProxy> {
  const proxy = new TcpProxy(target, await freePort())
  await proxy.heal()
  return proxy
}

/** What stands between a client and its server, for tests of what they do when the network fails. */
export class TcpProxy implements AsyncDisposable {
  readonly port: number
  /** The URL of the server itself. */
  readonly target: string
  /** The same, by way of the proxy. */
  readonly url: string
  readonly #links = new Set<Link>()
  readonly #rules: Record<Direction, Rules> = { 'to server': pass(), 'to client': pass() }
  /** Missing while it refuses connections. */
  #listener: Server | undefined

  constructor(target: string, port: number) {
    this.target = target
    this.port = port
    const url = new URL(target)
    url.hostname = '127.0.0.1'
    url.port = String(port)
    this.url = url.href
  }

  /** How many connections are open, at least on one side. */
  get connections(): number {
    return this.#links.size
  }

  /** Passes everything on so much later, in its order; in both directions unless one is given. */
  delay(delayMs: number, direction?: Direction): void {
    this.#change({ delayMs }, direction)
  }

  /** Resets all connections that are open, on both sides; what was under way is lost. New ones are welcome. */
  cut(): void {
    for (const link of this.#links) link.cut()
  }

  /** Refuses new connections: nobody listens. Those that are open stay. */
  refuse(): void {
    this.#listener?.close()
    this.#listener = undefined
  }

  /** Of the next answer, as much of it as comes in one piece, passes on the first half only, and then resets its connection. Once. */
  halve(direction: Direction = 'to client'): void {
    this.#change({ isHalved: true }, direction)
  }

  /**
   * Passes nothing on, neither bytes nor the end of a connection, also of new ones, which are accepted; in both directions unless one is
   * given. As with a network that loses packets, what was sent meanwhile arrives when it is healed.
   */
  blackhole(direction?: Direction): void {
    this.#change({ isHeld: true }, direction)
  }

  /**
   * Leaves the connections that are open now half-open for good: nothing of them is passed on, also when the proxy is healed, and neither
   * side hears that the other has gone. New ones are as ever.
   */
  strand(): void {
    for (const link of this.#links) link.isStranded = true
  }

  /** Ends all faults. Resolves when it accepts connections. */
  async heal(): Promise<void> {
    this.#change(pass())
    if (this.#listener) return
    this.#listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client))
    this.#listener.listen(this.port, '127.0.0.1')
    await once(this.#listener, 'listening')
  }

  /** Resets all connections, and listens no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    const listener = this.#listener
    this.refuse()
    if (listener) await once(listener, 'close')
  }

  #accept(client: Socket): void {
    const open = (): Socket => {
      const { hostname: host, port } = new URL(this.target)
      return connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true })
    }
    const link = new Link(client, open, this.#rules)
    this.#links.add(link)
    link.onClose = () => this.#links.delete(link)
    link.pump()
  }

  #change(rules: Partial<Rules>, direction?: Direction): void {
    for (const each of direction ? [direction] : directions) Object.assign(this.#rules[each], rules)
    for (const link of this.#links) link.pump()
  }
}

/** A connection of a client, and the one to the server that belongs to it. */
class Link {
  isStranded = false
  onClose: () => void = () => {}
  readonly #client: Socket
  readonly #open: () => Socket
  readonly #rules: Readonly<Record<Direction, Rules>>
  /** Missing until the connection itself may be passed on. */
  #server: Socket | undefined
  #flows: Flow[] = []

  constructor(client: Socket, open: () => Socket, rules: Readonly<Record<Direction, Rules>>) {
    this.#client = client
    this.#open = open
    this.#rules = rules
    client.pause()
    client.on('error', () => {})
    client.on('close', () => this.#closeIfDone())
  }

  /** Passes on what the rules allow now. */
  pump(): void {
    if (!this.#server && !this.#rulesOf('to server').isHeld) this.#connect()
    for (const flow of this.#flows) flow.pump()
  }

  cut(): void {
    for (const flow of this.#flows) flow.close()
    this.#client.resetAndDestroy()
    this.#server?.resetAndDestroy()
    this.onClose()
  }

  #connect(): void {
    const client = this.#client
    const server = this.#open()
    this.#server = server
    server.on('close', () => this.#closeIfDone())
    const flow = (from: Socket, to: Socket, direction: Direction): Flow =>
      new Flow(
        { from, to },
        () => this.#rulesOf(direction),
        () => this.cut(),
      )
    this.#flows = [flow(client, server, 'to server'), flow(server, client, 'to client')]
    client.resume()
  }

  #rulesOf(direction: Direction): Rules {
    return this.isStranded ? hold : this.#rules[direction]
  }

  #closeIfDone(): void {
    if (this.#client.destroyed && (this.#server?.destroyed ?? true)) this.onClose()
  }
}
