namespace Barkeep.Packs;

/// <summary>A page of the server whose checksum was wrong at each of several reads.</summary>
/// <param name="File">Path below the data directory.</param>
/// <param name="Block">Block number in the relation fork, counted through its segment files.</param>
/// <param name="Relation">Its name when it could be found: <c>montagu.public.burden_estimate</c>.</param>
public sealed record DamagedPage(string File, long Block, string? Relation);
