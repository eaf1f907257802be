import { median } from './ratios.ts'

const TIMES = 9

/** How many times as long something takes with the one as with the other: each in turn, some times. */
export async function ratioInTurn(full: () => Promise<void>, empty: () => Promise<void>): Promise<number> {
  const ratios: number[] = []
  for (let time = 0; time <= TIMES; time += 1) {
    const [own, base] = [await msOf(full), await msOf(empty)]
    if (time > 0) ratios.push(own / base) // The first one is for the compiler.
  }
  return median(ratios)
}

async function msOf(run: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await run()
  return performance.now() - start
}
