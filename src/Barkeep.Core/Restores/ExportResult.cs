namespace Barkeep.Restores;

/// <summary>What an export has written.</summary>
/// <param name="Path">The tar.</param>
/// <param name="Bytes">How long it is.</param>
/// <param name="DataBytes">Bytes of the cluster's files in it.</param>
/// <param name="Segments">WAL segments in it.</param>
/// <param name="Warnings">For people, one line each.</param>
public sealed record ExportResult(string Path, long Bytes, long DataBytes, int Segments, IReadOnlyList<string> Warnings);
