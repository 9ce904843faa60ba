using Barkeep.Common;

namespace Barkeep.Keeping;

/// <summary>Why nothing can be removed now.</summary>
/// <param name="Kind">Busy: the next collection will do; Damaged: somebody has to act.</param>
/// <param name="Reason">As it follows "because".</param>
public sealed record CollectionHold(ErrorKind Kind, string Reason);
