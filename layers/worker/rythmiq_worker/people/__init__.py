"""People: where a face is, how it is turned, where its head ends and what stands behind it.

Pixels in (H x W x 3, uint8, RGB), facts out. Nothing here knows portals, slots, receipts or stages. Three small
networks run in OpenCV's own runtime; each is loaded when it is first asked for, once a process.
"""
