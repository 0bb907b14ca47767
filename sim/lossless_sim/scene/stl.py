"""Binary STL files as vertices and faces, and fewer triangles for what is only looked at."""

from pathlib import Path

import numpy as np

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def read(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) float64 and faces (F, 3) int32 of a binary STL, equal corners merged."""
    count = int(np.frombuffer(data, "<u4", 1, 80)[0])
    triangles = np.frombuffer(data, _TRIANGLE, count, 84)
    corners = triangles["corners"].reshape(-1, 3)
    vertices, index = np.unique(corners, axis=0, return_inverse=True)
    faces = index.reshape(-1, 3).astype(np.int32)
    degenerate = (faces[:, 0] == faces[:, 1]) | (faces[:, 1] == faces[:, 2]) | (faces[:, 0] == faces[:, 2])
    return vertices.astype(np.float64), faces[~degenerate]


def write(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Write vertices (V, 3) and faces (F, 3) as a binary STL."""
    triangles = np.zeros(len(faces), _TRIANGLE)
    triangles["corners"] = vertices[faces]
    sides = np.diff(triangles["corners"], axis=1)
    triangles["normal"] = np.cross(sides[:, 0], sides[:, 1])
    path.write_bytes(bytes(80) + np.uint32(len(faces)).tobytes() + triangles.tobytes())


def decimate(vertices: np.ndarray, faces: np.ndarray, triangles: int) -> tuple[np.ndarray, np.ndarray]:
    """About `triangles` triangles of nearly the same shape.

    Quadric edge collapse alone stops early at the many loose parts of a CAD export (screws, pins), so the
    vertices are first merged on grids that grow coarser until the collapse gets near the number.
    """
    if len(faces) <= triangles:
        return vertices, faces
    import fast_simplification

    scale = float(np.ptp(vertices, axis=0).max())
    points, simpler = vertices, faces
    for cells in (1000, 200, 100, 64, 48, 32):
        merged, kept = _merge(vertices, faces, scale / cells)
        if len(kept) <= triangles:
            return merged, kept
        small, simpler = fast_simplification.simplify(
            (merged / scale).astype(np.float32), kept, target_count=triangles, agg=4.0
        )
        points = small.astype(np.float64) * scale
        if len(simpler) <= 1.2 * triangles:
            break
    return points, simpler


def _merge(vertices: np.ndarray, faces: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of one grid cell become their mean; triangles that collapse or repeat go."""
    _, index = np.unique(np.floor(vertices / cell).astype(np.int64), axis=0, return_inverse=True)
    index = index.reshape(-1)
    counts = np.bincount(index)
    means = np.stack([np.bincount(index, vertices[:, k]) for k in range(3)], axis=1) / counts[:, None]
    merged = index[faces]
    a, b, c = merged.T
    merged = merged[(a != b) & (b != c) & (a != c)]
    _, first = np.unique(np.sort(merged, axis=1), axis=0, return_index=True)
    return means, merged[np.sort(first)].astype(np.int32)


def hull(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convex hull of the vertices [m], true to 0.1 mm: what MuJoCo collides a mesh by."""
    from scipy.spatial import ConvexHull

    result = ConvexHull(vertices)
    if len(result.vertices) > 500:
        vertices = np.unique(np.round(vertices[result.vertices], 4), axis=0)
        result = ConvexHull(vertices)
    used, index = np.unique(result.simplices, return_inverse=True)
    points, faces = vertices[used], index.reshape(-1, 3).astype(np.int32)
    corners = points[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inwards = np.einsum("ij,ij->i", normal, corners[:, 0] - points.mean(axis=0)) < 0
    faces[inwards] = faces[inwards][:, ::-1]
    return points, faces
