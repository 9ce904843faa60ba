using System.Text.Json.Serialization;

namespace Barkeep.Repo;

/// <summary>How records' payloads become JSON and back, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Payloads.FormatPayload))]
[JsonSerializable(typeof(Payloads.LineagePayload))]
[JsonSerializable(typeof(Payloads.GapPayload))]
[JsonSerializable(typeof(Payloads.IdPayload))]
[JsonSerializable(typeof(Payloads.StartedPayload))]
[JsonSerializable(typeof(Payloads.CompletePayload))]
[JsonSerializable(typeof(Payloads.FailedPayload))]
[JsonSerializable(typeof(Payloads.KeepPayload))]
[JsonSerializable(typeof(Payloads.DamagedWalPayload))]
[JsonSerializable(typeof(Payloads.WalPayload))]
[JsonSerializable(typeof(Payloads.ChangesPayload))]
[JsonSerializable(typeof(Payloads.MomentsPayload))]
[JsonSerializable(typeof(BackupInfo))]
[JsonSerializable(typeof(ExportRecord))]
sealed partial class RepoJson : JsonSerializerContext;
