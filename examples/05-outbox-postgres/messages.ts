import { defineEvent } from '@iambus/core'

export class OrderPlaced extends defineEvent<{ order: number; sku: string; pieces: number }>('orders.order-placed') {}
export class StockReserved extends defineEvent<{ order: number }>('stock.stock-reserved') {}
