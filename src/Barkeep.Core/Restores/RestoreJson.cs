using System.Text.Json.Serialization;

namespace Barkeep.Restores;

/// <summary>How what a restore leaves in its directory becomes JSON and back, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RestoreMarker))]
[JsonSerializable(typeof(RestoreRecord.Head))]
sealed partial class RestoreJson : JsonSerializerContext;
