namespace Barkeep.Packs;

/// <summary>Where pages that follow one another are stored: a pack, and the first one's ordinal in it.</summary>
/// <param name="Pack">The pack's name within its lineage: <c>20261123T131251/0001</c>.</param>
/// <param name="Ordinal">Number of the page in the pack, counted through all frames.</param>
public readonly record struct PageReference(string Pack, int Ordinal);
