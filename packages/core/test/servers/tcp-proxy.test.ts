import { once } from 'node:events'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type TcpProxy, tcpProxy } from './tcp-proxy.ts'

/** One side of a connection. */
interface Side {
  readonly socket: Socket
  readonly received: () => string
  /** Waits until this is what has been received, in all. */
  readonly has: (text: string) => Promise<void>
  /** How it has ended: the code of the error, or `end`; nothing yet. */
  readonly ending: () => string | undefined
  readonly ended: Promise<void>
}

function side(socket: Socket): Side {
  let received = ''
  let ending: string | undefined
  socket.on('data', (bytes: Buffer) => (received += bytes.toString()))
  socket.on('end', () => (ending = 'end'))
  socket.on('error', (error: NodeJS.ErrnoException) => (ending = error.code))
  onTestFinished(() => void socket.destroy())
  const ended = new Promise<void>((resolve) => {
    socket.once('end', resolve).once('close', () => resolve())
  })
  const has = (text: string): Promise<void> =>
    vi.waitFor(() => expect(received).toBe(text), { timeout: 10_000, interval: 5 })
  return { socket, received: () => received, has, ending: () => ending, ended }
}

/** A server that answers with what it hears, until it hears the end. */
async function echoServer(): Promise<{ url: string; sides: Side[] }> {
  const sides: Side[] = []
  const server = createServer((socket) => {
    sides.push(side(socket))
    socket.pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { url: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, sides }
}

async function client(url: string): Promise<Side> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), noDelay: true })
  const opened = side(socket)
  await once(socket, 'connect')
  return opened
}

async function setUp(): Promise<{ server: { url: string; sides: Side[] }; proxy: TcpProxy }> {
  const server = await echoServer()
  const proxy = await tcpProxy(server.url)
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  return { server, proxy }
}

/** Opens a connection that has had its first answer. */
async function talking(proxy: TcpProxy): Promise<Side> {
  const opened = await client(proxy.url)
  opened.socket.write('hello')
  await opened.has('hello')
  return opened
}

/** Comes and goes through another proxy to the same server: what was to be passed on before would have been by now. */
async function roundTrips(url: string): Promise<void> {
  await using other = await tcpProxy(url)
  for (const _ of [1, 2, 3]) (await talking(other)).socket.destroy()
}

describe('a proxy', () => {
  test('passes on all bytes, in both directions, also more than it keeps', async () => {
    const { proxy } = await setUp()
    const opened = await client(proxy.url)
    const much = 'abcdefgh'.repeat(500_000)
    opened.socket.end(much)
    await opened.ended
    expect(opened.received() === much).toBe(true)
  })

  test('passes on the end of one side, and then that of the other', async () => {
    const { server, proxy } = await setUp()
    const opened = await talking(proxy)
    opened.socket.end(', good bye')
    await opened.ended
    expect([opened.received(), opened.ending(), server.sides[0]?.ending()]).toEqual(['hello, good bye', 'end', 'end'])
  })

  test('has a URL that is that of the server, but for the port', async () => {
    await using proxy = await tcpProxy('postgres://user:word@127.0.0.1:1/name?x=1')
    expect(proxy.url).toBe(`postgres://user:word@127.0.0.1:${proxy.port}/name?x=1`)
  })

  test('resets the connection of whom its server refuses', async () => {
    await using proxy = await tcpProxy('tcp://127.0.0.1:1')
    const opened = await client(proxy.url)
    await opened.ended
    expect(opened.ending()).toBe('ECONNRESET')
  })

  test('that is disposed of has no connections, and is not there', async () => {
    const { proxy } = await setUp()
    const opened = await talking(proxy)
    expect(proxy.connections).toBe(1)
    await proxy[Symbol.asyncDispose]()
    await opened.ended
    expect([proxy.connections, opened.ending()]).toEqual([0, 'ECONNRESET'])
    await expect(client(proxy.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})

describe('delay', () => {
  test.each([
    ['both directions', undefined, 200],
    ['the one to the server', 'to server', 100],
    ['the one to the client', 'to client', 100],
  ] as const)('in %s has an answer take so much longer', async (_, direction, leastMs) => {
    const { proxy } = await setUp()
    const opened = await talking(proxy)
    proxy.delay(100, direction)
    const startMs = performance.now()
    opened.socket.write('!')
    await opened.has('hello!')
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(leastMs)
  })

  test('keeps the order, also of what is sent when it is healed', async () => {
    const { proxy } = await setUp()
    const opened = await talking(proxy)
    proxy.delay(600_000)
    opened.socket.write('1')
    await roundTrips(proxy.target)
    expect(opened.received()).toBe('hello')
    await proxy.heal()
    opened.socket.write('2')
    await opened.has('hello12')
  })
})

describe('cut', () => {
  test('resets both sides of each connection, and welcomes new ones', async () => {
    const { server, proxy } = await setUp()
    const opened = [await talking(proxy), await talking(proxy)]
    proxy.cut()
    const all = [...opened, ...server.sides]
    await Promise.all(all.map(({ ended }) => ended))
    expect(all.map(({ ending }) => ending())).toEqual(Array(4).fill('ECONNRESET'))
    await talking(proxy)
    expect(proxy.connections).toBe(1)
  })
})

describe('refuse', () => {
  test('refuses new connections until it is healed, and leaves those that are open', async () => {
    const { proxy } = await setUp()
    const opened = await talking(proxy)
    proxy.refuse()
    await expect(client(proxy.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    opened.socket.write('!')
    await opened.has('hello!')
    await proxy.heal()
    await talking(proxy)
  })
})

describe('halve', () => {
  test('passes on half of the next answer, then resets; once', async () => {
    const { server, proxy } = await setUp()
    const opened = await talking(proxy)
    proxy.halve()
    opened.socket.write('1234')
    await Promise.all([opened.ended, server.sides[0]?.ended])
    // Node 22 takes a reset for an end where it reads the last bytes with it.
    expect([opened.received(), opened.ending()]).toEqual(['hello12', expect.stringMatching(/^(ECONNRESET|end)$/)])
    expect([server.sides[0]?.received(), server.sides[0]?.ending()]).toEqual(['hello1234', 'ECONNRESET'])
    await talking(proxy)
  })

  test('can have half of a request reach the server', async () => {
    const { server, proxy } = await setUp()
    const opened = await talking(proxy)
    proxy.halve('to server')
    opened.socket.write('1234')
    await Promise.all([opened.ended, server.sides[0]?.ended])
    expect([opened.received(), server.sides[0]?.received()]).toEqual(['hello', 'hello12'])
  })
})

describe('blackhole', () => {
  test('passes on nothing, neither bytes nor the end, until it is healed', async () => {
    const { server, proxy } = await setUp()
    const opened = [await talking(proxy), await talking(proxy)] as const
    proxy.blackhole()
    opened[0].socket.write('!')
    opened[1].socket.destroy()
    await roundTrips(proxy.target)
    expect(server.sides.slice(0, 2).map((each) => [each.received(), each.ending()])).toEqual([
      ['hello', undefined],
      ['hello', undefined],
    ])
    await proxy.heal()
    await opened[0].has('hello!')
    await server.sides[1]?.ended
  })

  test('to the client has the server hear what it cannot answer', async () => {
    const { server, proxy } = await setUp()
    const opened = await talking(proxy)
    proxy.blackhole('to client')
    opened.socket.write('!')
    await server.sides[0]?.has('hello!')
    await roundTrips(proxy.target)
    expect(opened.received()).toBe('hello')
    await proxy.heal()
    await opened.has('hello!')
  })

  test('accepts new connections, of which the server hears nothing until it is healed', async () => {
    const { server, proxy } = await setUp()
    proxy.blackhole('to server')
    const opened = await client(proxy.url)
    opened.socket.write('hello')
    await roundTrips(proxy.target)
    expect([server.sides.length, opened.received()]).toEqual([3, ''])
    await proxy.heal()
    await opened.has('hello')
  })

  test('of a connection that was given up meanwhile the server hears nothing at all', async () => {
    const { server, proxy } = await setUp()
    proxy.blackhole()
    const opened = await client(proxy.url)
    opened.socket.resetAndDestroy()
    await roundTrips(proxy.target)
    await proxy.heal()
    await talking(proxy)
    expect(server.sides).toHaveLength(4)
  })
})

describe('strand', () => {
  test('leaves the server with a connection of which it never hears again, and lets new ones pass', async () => {
    const { server, proxy } = await setUp()
    const opened = await talking(proxy)
    proxy.strand()
    opened.socket.destroy()
    await talking(proxy)
    await proxy.heal()
    await roundTrips(proxy.target)
    expect([server.sides[0]?.received(), server.sides[0]?.ending()]).toEqual(['hello', undefined])
    expect(proxy.connections).toBe(2)
  })
})
