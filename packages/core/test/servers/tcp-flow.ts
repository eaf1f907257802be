import type { Socket } from 'node:net'

/** What is done to the bytes of one direction. */
export interface Rules {
  /** How much later they are passed on. */
  delayMs: number
  /** Whether they are kept. */
  isHeld: boolean
  /** Whether of what comes next only a half is passed on, and the connection cut. */
  isHalved: boolean
}

type Item = { readonly kind: 'bytes'; readonly bytes: Buffer } | { readonly kind: 'end' } | { readonly kind: 'reset' }

/** How much is read of what cannot be passed on yet; then the sender's own buffers fill. */
const maxQueuedBytes = 1_048_576

/** One direction of one connection: passes on what it reads, its end and its reset included, in their order and by the rules. */
export class Flow {
  readonly #from: Socket
  readonly #to: Socket
  readonly #rules: () => Rules
  readonly #cut: () => void
  readonly #queue: { readonly item: Item; readonly arrivedAtMs: number }[] = []
  #queuedBytes = 0
  #isWriting = false
  #timer: NodeJS.Timeout | undefined

  /**
   * @param rules - asked again each time.
   * @param cut - ends the whole connection.
   */
  constructor(sockets: { readonly from: Socket; readonly to: Socket }, rules: () => Rules, cut: () => void) {
    this.#from = sockets.from
    this.#to = sockets.to
    this.#rules = rules
    this.#cut = cut
    this.#from.on('data', (bytes: Buffer) => this.#add({ kind: 'bytes', bytes }))
    this.#from.on('end', () => this.#add({ kind: 'end' }))
    this.#from.on('error', () => this.#add({ kind: 'reset' }))
  }

  /** Passes on what may be passed on now. To be called when the rules have changed. */
  pump(): void {
    clearTimeout(this.#timer)
    const [head] = this.#queue
    const { isHeld, delayMs } = this.#rules()
    if (!head || isHeld || this.#isWriting || this.#to.destroyed) return
    const waitMs = head.arrivedAtMs + delayMs - performance.now()
    if (waitMs > 0) {
      this.#timer = setTimeout(() => this.pump(), Math.ceil(waitMs))
      return
    }
    this.#queue.shift()
    if (head.item.kind === 'reset') this.#cut()
    else if (head.item.kind === 'end') this.#to.end()
    else this.#write(head.item.bytes)
  }

  /** Passes nothing on any more. */
  close(): void {
    clearTimeout(this.#timer)
    this.#queue.length = 0
  }

  #add(item: Item): void {
    this.#queue.push({ item, arrivedAtMs: performance.now() })
    if (item.kind === 'bytes') this.#queuedBytes += item.bytes.length
    if (this.#queuedBytes > maxQueuedBytes) this.#from.pause()
    this.pump()
  }

  #write(bytes: Buffer): void {
    const rules = this.#rules()
    const isHalved = rules.isHalved
    rules.isHalved = false
    this.#isWriting = true
    this.#to.write(isHalved ? bytes.subarray(0, bytes.length / 2) : bytes, () => {
      this.#isWriting = false
      this.#queuedBytes -= bytes.length
      if (isHalved) return this.#cut()
      if (this.#queuedBytes <= maxQueuedBytes) this.#from.resume()
      return this.pump()
    })
  }
}
