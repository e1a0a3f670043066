package features_test

import (
	"testing"

	"github.com/runcast/runcast/predictor/features"
)

func TestTemplates(t *testing.T) {
	for _, tt := range []struct{ name, template, stem string }{
		{"", "", ""},
		{"train", "train", ""},
		{"app131", "app#", ""},
		{"train-8f3k2", "train-#", ""},
		{"train-resnet-large-8f3k2", "train-resnet-large-#", "train-resnet"},
		{"Train_ResNet50.tiny", "train_resnet#.tiny", "train_resnet"},
		{"etl-orders", "etl-orders", "etl"},
		{"20261125-etl-orders", "#-etl-orders", "#-etl"},
		{"etl-orders-6f1d2c3b-4a5e-6789-abcd-ef0123456789", "etl-orders-#", "etl"},
		{"CronJob/nightly", "cronjob/nightly", ""},
		{"CronJob/nightly-backup", "cronjob/nightly-backup", "cronjob/nightly"},
		{"größe-größer-am-größten", "größe-größer-am-größten", "größe-größer"},
	} {
		if got := features.Template(tt.name); got != tt.template {
			t.Errorf("Template(%q) = %q, want %q", tt.name, got, tt.template)
		}
		if got := features.Stem(tt.template); got != tt.stem {
			t.Errorf("Stem(%q) = %q, want %q", tt.template, got, tt.stem)
		}
	}
}
